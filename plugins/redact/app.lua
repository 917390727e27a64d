local M = {}

local kinds = require("kinds")
local settings = app.settings

-- What is looked for, in the order in which texts go through: { test or regex, replace = …, quick = … }.
local wanted = {}
local function want(kind, name)
  kind.replacement = settings.replacement:gsub("{kind}", (name:gsub("%%", "%%%%")))
  wanted[#wanted + 1] = kind
end

local has_own = false
for name, pattern in pairs(settings.patterns) do
  want(kinds.own(name, tostring(pattern)), name)
  has_own = true
end
for _, name in ipairs({ "token", "email", "iban", "card", "phone" }) do
  if settings[name .. "s"] then want(kinds[name], name) end
end

-- Whether a text may hold anything at all: one search instead of one for each kind.
local sources = {}
for _, kind in ipairs(wanted) do
  sources[#sources + 1] = "(?:" .. kind.source .. ")"
end
---@type any
local anything = #sources > 0 and app.regex(table.concat(sources, "|")) or nil

local except = {}
for _, name in ipairs(settings.except) do
  except[tostring(name)] = true
end

-- A path that is none is an error now, not at the first event.
local get, set, fields = app.get, app.set, settings.fields
for _, path in ipairs(fields) do
  get({}, path)
end

local function redact(text)
  if not anything:test(text) then return text end
  for _, kind in ipairs(wanted) do
    text = kind.apply(text, kind.replacement)
  end
  return text
end

local walk

-- What a text or number becomes, nil when it stays. Objects and arrays are changed where they are.
local function changed(value)
  local kind = type(value)
  if kind == "table" then return walk(value) end
  if kind == "number" and settings.numbers then
    value = tostring(value)
  elseif kind ~= "string" then
    return nil
  end
  local clean = redact(value)
  return clean ~= value and clean or nil
end

function walk(container)
  for key, value in pairs(container) do
    local clean = not except[key] and changed(value)
    if clean then container[key] = clean end
  end
end

-- Most events hold nothing of the kind: one search through their JSON tells. It would miss what is written with escapes,
-- and anchors of own patterns mean the ends of one text.
local function may_hold_something(value)
  if has_own then return true end
  local json = app.json.encode(value)
  return json:find("\\", 1, true) ~= nil or anything:test(json)
end

function M.transform(event)
  if not anything then return event end
  for _, path in ipairs(fields) do
    local value = get(event, path)
    local clean = value ~= nil and may_hold_something(value) and changed(value)
    if clean then set(event, path, clean) end
  end
  return event
end

return M
