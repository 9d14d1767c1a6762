-- How Argo CD judges a MaraudersMap. Argo CD opens no string library here: tables and concatenation only.
local status = obj.status or {}
local message = status.message or ""

if status.phase == nil or status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "the operator has not looked at this generation yet" }
end

local ready = {}
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Ready" then
    ready = condition
  end
end
-- As for an Argo Rollout: what waits for a person is suspended, not failed.
if ready.reason == "WaitingForPromotion" then
  return { status = "Suspended", message = message }
end

local judged = {
  Ready = "Healthy",
  Pending = "Progressing",
  Deploying = "Progressing",
  RollingOut = "Progressing",
  Baking = "Progressing",
  Paused = "Suspended",
  Suspended = "Suspended",
  Degraded = "Degraded",
  RolledBack = "Degraded",
  Stalled = "Degraded",
}
return {
  status = judged[status.phase] or "Unknown",
  message = message ~= "" and message or status.phase,
}
