-- Go on from where the rollout stands. The step is named, so that pressing twice is pressing once.
local token = require("os").date("!%Y%m%dT%H%M%SZ")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
local candidate, hold = obj.status.candidate, obj.status.hold
local revision, place
if candidate == nil then
  revision, place = hold.revision, "Held"
else
  revision, place = candidate.revision, candidate.step
  if place == "Sharing" and candidate.strategy == "Canary" then
    place = place .. "-" .. tostring((candidate.canaryStep or 0) + 1)
  end
end
obj.metadata.annotations["hogwarts.edu/promote"] = revision .. "/" .. place .. "/" .. token
return obj
