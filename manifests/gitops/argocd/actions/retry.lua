-- Try the rejected or held revision again.
local token = require("os").date("!%Y%m%dT%H%M%SZ")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["hogwarts.edu/retry"] = token
return obj
