-- Replace the pods one after the other.
local token = require("os").date("!%Y%m%dT%H%M%SZ")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["hogwarts.edu/restart"] = token
return obj
