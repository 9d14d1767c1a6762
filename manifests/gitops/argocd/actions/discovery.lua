-- Which buttons Argo CD offers: those that `kubectl marauders` would accept now.
local status = obj.status or {}
local spec = obj.spec or {}
local candidate, stable, hold = status.candidate, status.stable, status.hold
local paused = spec.rollout ~= nil and spec.rollout.paused == true
local leaving = obj.metadata.deletionTimestamp ~= nil

local condemned = candidate ~= nil and candidate.verdict ~= nil
local on_trial = candidate ~= nil and not condemned
local disturbed = candidate == nil and hold ~= nil and hold.reason == "StableDisturbed"

local rejected = false
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "RolledBack" and condition.status == "True" then
    for _, entry in ipairs(status.rejected or {}) do
      rejected = rejected or (entry.reason == condition.reason and entry.message == condition.message)
    end
  end
end

local previous = false
for _, entry in ipairs(status.history or {}) do
  previous = previous or (stable ~= nil and entry.outcome == "Promoted" and entry.revision ~= stable.revision)
end

local function offered(when)
  return { ["disabled"] = leaving or not when }
end

local actions = {}
actions["promote"] = offered((on_trial or disturbed) and not paused)
actions["abort"] = offered(on_trial and stable ~= nil)
actions["retry"] = offered(rejected or hold ~= nil or status.pin ~= nil)
actions["undo"] = offered(candidate == nil and previous)
actions["restart"] = offered(spec.suspend ~= true and (stable ~= nil or candidate ~= nil))
return actions
