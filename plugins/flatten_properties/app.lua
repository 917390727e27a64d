local M = {}

local settings = app.settings

local separator, depth_max, arrays = settings.separator, settings.depth, settings.arrays
if separator == "" then error("setting separator: expected a text that is not empty", 0) end
if depth_max < 1 then error("setting depth: expected 1 or more, got " .. depth_max, 0) end

-- A path that is none is an error now, not at the first event.
local get, fields = app.get, settings.fields
for _, path in ipairs(fields) do
  get({}, path)
end

local excepted = {}
for _, name in ipairs(settings.except) do
  excepted[tostring(name)] = true
end

local function put(target, name, value)
  if settings.collision ~= "last" and target[name] ~= nil then
    if settings.collision == "error" then error("two fields would be named " .. name, 0) end
    return
  end
  target[name] = value
end

local spread

-- Whether an object or array is to be taken apart, and not so deep that it stays.
local function is_nested(value, depth)
  if depth >= depth_max then return false end
  if #value > 0 then return arrays == "index" end
  return next(value) ~= nil
end

-- Puts a value under its new name, or what is in it.
local function place(target, name, value, depth)
  if type(value) == "table" then
    if is_nested(value, depth) then return spread(target, name, value, depth + 1) end
    if arrays == "json" and #value > 0 then value = app.json.encode(value) end
  end
  put(target, name, value)
end

-- Elements of arrays count from 0, as in JavaScript.
function spread(target, name, container, depth)
  for key, value in pairs(container) do
    if type(key) == "number" then key = key - 1 end
    place(target, name .. separator .. key, value, depth)
  end
end

local function flatten(object)
  for name, value in pairs(object) do
    if type(value) == "table" and not excepted[name] then
      if is_nested(value, 0) then
        spread(object, name, value, 1)
        object[name] = nil
      elseif arrays == "json" and #value > 0 then
        object[name] = app.json.encode(value)
      end
    end
  end
end

function M.transform(event)
  for _, path in ipairs(fields) do
    local object = get(event, path)
    if type(object) == "table" and #object == 0 then flatten(object) end
  end
  return event
end

return M
