local M = {}

local settings = app.settings

-- "10%" and 0.1 both say one in ten.
local function read_share(share)
  local percent = type(share) == "string" and share:match("^%s*([%d.]+)%s*%%%s*$")
  local part = percent and tonumber(percent) and tonumber(percent) / 100 or share
  if type(part) ~= "number" or part < 0 or part > 1 then
    error("setting share: expected a number from 0 to 1 or a percentage such as 10%, got " .. tostring(share), 0)
  end
  return part
end

local share = read_share(settings.share)

-- Hashes are hexadecimal, so what is below this text in their order is the share of them that is kept.
local limit = share < 1 and string.format("%013x", math.floor(share * 2 ^ 52)) or nil

-- A path that is none is an error now, not at the first event.
local get, set = app.get, app.set
local rate_field = settings.rate_field
get({}, settings.by)
if rate_field ~= "" then get({}, rate_field) end

local always, prefixes = {}, {}
for _, name in ipairs(settings.except) do
  name = tostring(name)
  if name:sub(-1) == "*" then
    prefixes[#prefixes + 1] = name:sub(1, -2)
  else
    always[name] = true
  end
end

local function is_excepted(name)
  if always[name] then return true end
  for _, prefix in ipairs(prefixes) do
    if name:sub(1, #prefix) == prefix then return true end
  end
  return false
end

-- What is hashed, or nil when the event has none.
local function key_of(event, facts)
  if settings.by == "distinct_id" then return facts.distinct_id end
  if settings.by == "event" then return facts.uuid end
  local value = get(event, settings.by)
  local kind = type(value)
  if kind == "string" or kind == "number" or kind == "boolean" then return tostring(value) end
  return nil
end

function M.transform(event, app)
  local facts = app.facts()
  local rate = share
  if is_excepted(facts.event or "") then
    rate = 1
  else
    local key = key_of(event, facts)
    if key == nil then
      if settings.without_key == "drop" then return nil end
      rate = 1
    elseif limit and app.sha256(settings.salt .. key) >= limit then
      return nil
    end
  end
  if rate_field ~= "" then set(event, rate_field, rate) end
  return event
end

return M
