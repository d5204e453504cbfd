-- AccessPolicy of meshauth.dev: Healthy when nobody needs to act, Degraded when somebody does, Progressing until the
-- operator has looked at what was applied.
local hs = {}
local status = obj.status
if status == nil or status.conditions == nil or status.observedGeneration ~= obj.metadata.generation then
  hs.status = "Progressing"
  hs.message = "The operator has not looked at it yet"
  return hs
end
for _, condition in ipairs(status.conditions) do
  if condition.type == "Ready" and condition.observedGeneration == obj.metadata.generation then
    hs.message = condition.message
    if condition.status == "True" then
      hs.status = "Healthy"
      return hs
    end
    if condition.status == "False" then
      hs.status = "Degraded"
      return hs
    end
  end
end
hs.status = "Progressing"
hs.message = hs.message or "Not decided yet"
return hs
