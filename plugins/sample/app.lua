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

local function split(path)
  local way = {}
  for name in path:gmatch("[^.]+") do
    way[#way + 1] = name
  end
  return way
end

local by_way = settings.by ~= "distinct_id" and settings.by ~= "event" and split(settings.by) or nil
local rate_way = settings.rate_field ~= "" and split(settings.rate_field) or nil

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
  local at = event
  for _, name in ipairs(by_way) do
    if type(at) ~= "table" then return nil end
    at = at[name]
  end
  local kind = type(at)
  if kind == "string" or kind == "number" or kind == "boolean" then return tostring(at) end
  return nil
end

local function note_rate(event, rate)
  local at = event
  for i = 1, #rate_way - 1 do
    if at[rate_way[i]] == nil then at[rate_way[i]] = {} end
    at = at[rate_way[i]]
    if type(at) ~= "table" then return end
  end
  at[rate_way[#rate_way]] = rate
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
  if rate_way then note_rate(event, rate) end
  return event
end

return M
