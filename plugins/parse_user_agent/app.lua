local M = {}

local get, set = app.get, app.set
local settings = app.settings

-- A path that is none is an error now, not at the first event.
local agent_paths = settings.user_agent_fields
for _, path in ipairs(agent_paths) do
  get({}, path)
end

local into = {}
for name in settings.into:gmatch("[^.]+") do
  into[#into + 1] = name
end

-- As browser SDKs write them.
local DEVICE_TYPES = {
  desktop = "Desktop", mobile = "Mobile", tablet = "Tablet", tv = "TV", console = "Console", wearable = "Wearable",
  bot = "Bot",
}

-- What is told of an agent, as the names and values of fields.
local function describe(agent)
  local told = app.user_agent(agent)
  local fields = {}
  for _, name in ipairs({ "browser", "browser_version", "os", "os_version", "device_type" }) do
    local value = told[name]
    if name == "device_type" then value = DEVICE_TYPES[value] or value end
    if value then fields[#fields + 1] = { settings.prefix .. name, value } end
  end
  return fields
end

-- The same few agents come again and again. So many answers are kept, then it starts anew; none for agents that no browser
-- sends, which would only fill the memory.
local REMEMBERED_MAX, REMEMBERED_BYTES_MAX = 1000, 512
local remembered, count = {}, 0

local function fields_of(agent)
  local fields = remembered[agent]
  if fields then return fields end
  fields = describe(agent)
  if #agent <= REMEMBERED_BYTES_MAX then
    if count >= REMEMBERED_MAX then remembered, count = {}, 0 end
    remembered[agent], count = fields, count + 1
  end
  return fields
end

-- The first user agent found, and its path.
local function find_agent(event)
  for _, path in ipairs(agent_paths) do
    local agent = get(event, path)
    if type(agent) == "string" and agent ~= "" then return agent, path end
  end
  return nil
end

-- The object that gets the fields; missing ones on the way are made. nil when something else is in the way, also an array,
-- for which app.set would raise an error.
local function target_in(event)
  local at = event
  for _, name in ipairs(into) do
    if at[name] == nil then at[name] = {} end
    at = at[name]
    if type(at) ~= "table" or #at > 0 then return nil end
  end
  return at
end

function M.transform(event)
  local agent, path = find_agent(event)
  if not agent or not path then return event end
  local target = target_in(event)
  if not target then return event end
  for _, field in ipairs(fields_of(agent)) do
    if settings.overwrite or target[field[1]] == nil then target[field[1]] = field[2] end
  end
  if settings.remove then set(event, path, nil) end
  return event
end

return M
