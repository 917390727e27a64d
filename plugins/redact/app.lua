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
local anything = #sources > 0 and app.regex(table.concat(sources, "|")) or nil

local except = {}
for _, name in ipairs(settings.except) do
  except[tostring(name)] = true
end

local ways = {}
for _, path in ipairs(settings.fields) do
  local way = {}
  for name in path:gmatch("[^.]+") do
    way[#way + 1] = name
  end
  ways[#ways + 1] = { way = way, last = table.remove(way) }
end

local function redact(text)
  if not anything:test(text) then return text end
  for _, kind in ipairs(wanted) do
    text = kind.apply(text, kind.replacement)
  end
  return text
end

local walk

local function visit(container, key, value)
  local kind = type(value)
  if kind == "string" then
    local clean = redact(value)
    if clean ~= value then container[key] = clean end
  elseif kind == "table" then
    walk(value)
  elseif kind == "number" and settings.numbers then
    local text = tostring(value)
    local clean = redact(text)
    if clean ~= text then container[key] = clean end
  end
end

function walk(container)
  for key, value in pairs(container) do
    if not except[key] then visit(container, key, value) end
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
  for _, path in ipairs(ways) do
    local holder = event
    for _, name in ipairs(path.way) do
      holder = holder[name]
      if type(holder) ~= "table" then
        holder = nil
        break
      end
    end
    local value = holder and holder[path.last]
    if value ~= nil and may_hold_something(value) then visit(holder, path.last, value) end
  end
  return event
end

return M
