local M = {}

local get = app.get
local settings = app.settings

local COMMA = 44

-- What is ignored, by the path of the object it lies in: names, and how they begin in JSON.
local ignored_in = {}
for _, path in ipairs(settings.ignore) do
  local parent, name = path:match("^(.*)%.([^.]+)$")
  parent, name = parent or "", name or path
  ignored_in[parent] = ignored_in[parent] or {}
  ignored_in[parent][name] = app.json.encode(name) .. ":"
end

local fields = {}
for _, path in ipairs(settings.fields) do
  get({}, path)  -- a path that is none is an error now, not at the first event
  fields[#fields + 1] = { path = path, ignored = ignored_in[path] }
end

-- What this app remembers must outlive the time between two events, also when the second comes in late.
local within_ms = settings.within * 1000
local ttl = settings.within + 3600

-- Members that are not ignored, one by one.
local function members_text(object, ignored)
  local texts, count = {}, 0
  for name, member in pairs(object) do
    if not ignored[name] then
      texts[count + 1], texts[count + 2] = name, app.json.encode(member)
      count = count + 2
    end
  end
  return "{" .. table.concat(texts, "\n")
end

-- The JSON of an object without what is ignored. Cutting that out of the text is faster than writing all other members; a
-- text with spaces in it, in which it is not found, goes the long way.
local function text_without(object, ignored)
  local text = app.json.encode(object)
  for name, quoted in pairs(ignored) do
    local member = object[name]
    if member ~= nil then
      local from, to = text:find(quoted .. app.json.encode(member), 1, true)
      if not from then return members_text(object, ignored) end
      if text:byte(to + 1) == COMMA then
        to = to + 1
      elseif text:byte(from - 1) == COMMA then
        from = from - 1
      end
      text = text:sub(1, from - 1) .. text:sub(to + 1)
    end
  end
  return text
end

-- All that must be the same in two events, as one hash. JSON has no bare line breaks, so they part the values.
local function fingerprint(event)
  local texts = {}
  for i, field in ipairs(fields) do
    local value = get(event, field.path)
    if value == nil then
      texts[i] = ""
    elseif field.ignored and type(value) == "table" then
      texts[i] = text_without(value, field.ignored)
    else
      texts[i] = app.json.encode(value)
    end
  end
  return app.sha256(table.concat(texts, "\n")):sub(1, 32)
end

function M.transform(event, app)
  local facts = app.facts()
  if not facts.distinct_id then return event end
  local print = fingerprint(event)
  local last = app.state.get("last")
  if last and last.print == print and math.abs(facts.timestamp - last.at) <= within_ms then
    app.metrics.counter("duplicates")
    return nil
  end
  app.state.set("last", { print = print, at = facts.timestamp }, ttl)
  return event
end

return M
