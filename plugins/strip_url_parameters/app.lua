local M = {}

local settings = app.settings

-- Names are compared in lower case: Token and token let in alike.
local function read_names(list)
  local names = { exact = {}, patterns = {} }
  for _, name in ipairs(list) do
    name = tostring(name):lower()
    if name:find("*", 1, true) then
      local pattern = name:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0"):gsub("%*", ".*")
      names.patterns[#names.patterns + 1] = "^" .. pattern .. "$"
    else
      names.exact[name] = true
    end
  end
  return names
end

local function is_listed(names, name)
  if names.exact[name] then return true end
  for _, pattern in ipairs(names.patterns) do
    if name:find(pattern) then return true end
  end
  return false
end

local only_kept = #settings.keep > 0
local names = read_names(only_kept and settings.keep or settings.remove)

-- By the object they lie in, which is then looked up once: faster by a quarter than one app.get for each of the defaults.
local get = app.get
local groups, group_of = {}, {}
for _, field in ipairs(settings.fields) do
  get({}, field)  -- a path that is none is an error now, not at the first event
  local parent, name = field:match("^(.*)%.([^.]+)$")
  local group = group_of[parent or ""]
  if not group then
    group = { parent = parent, names = {} }
    groups[#groups + 1], group_of[parent or ""] = group, group
  end
  group.names[#group.names + 1] = name or field
end

-- What is decided about a name is remembered, up to so many names that are no longer than this.
local REMEMBERED_MAX, REMEMBERED_BYTES_MAX = 1000, 100
local remembered, count = {}, 0

local function goes(raw)
  local answer = remembered[raw]
  if answer == nil then
    answer = is_listed(names, app.url.decode(raw):lower()) ~= only_kept
    if #raw <= REMEMBERED_BYTES_MAX then
      if count >= REMEMBERED_MAX then remembered, count = {}, 0 end
      remembered[raw], count = answer, count + 1
    end
  end
  return answer
end

local function has_any_that_goes(query)
  for name in ("&" .. query):gmatch("&([^&=]+)") do
    if goes(name) then return true end
  end
  return false
end

-- The parameters that stay, or nil when all do.
local function strip_query(query)
  if not has_any_that_goes(query) then return nil end
  local kept = {}
  for parameter in (query .. "&"):gmatch("([^&]*)&") do
    local name = parameter:match("^[^=]*")
    if name == "" or not goes(name) then kept[#kept + 1] = parameter end
  end
  return table.concat(kept, "&")
end

-- "/cart?step=2" and "access_token=…" both come behind a '#'.
local function strip_fragment(fragment)
  local head, query = fragment:match("^([^?]*%?)(.*)$")
  if not head then
    if not fragment:find("=", 1, true) then return nil end
    head, query = "", fragment
  end
  local kept = strip_query(query)
  if not kept then return nil end
  return kept == "" and head:gsub("%?$", "") or head .. kept
end

-- The URL without what goes. Everything else keeps its bytes, so it is cut and not parsed.
local function strip(url)
  local base, fragment = url, nil
  local hash = url:find("#", 1, true)
  if hash then base, fragment = url:sub(1, hash - 1), url:sub(hash + 1) end
  local mark = base:find("?", 1, true)
  if mark then
    local kept = strip_query(base:sub(mark + 1))
    if kept == "" then
      base = base:sub(1, mark - 1)
    elseif kept then
      base = base:sub(1, mark) .. kept
    end
  end
  if not fragment or settings.fragment == "remove" then return base end
  if settings.fragment == "strip" then
    local kept = strip_fragment(fragment)
    if kept == "" then return base end
    fragment = kept or fragment
  end
  return base .. "#" .. fragment
end

function M.transform(event)
  for _, group in ipairs(groups) do
    local holder = event
    if group.parent then holder = get(event, group.parent) end
    if type(holder) == "table" then
      for _, name in ipairs(group.names) do
        local url = holder[name]
        if type(url) == "string" and url:find("[?#]") then holder[name] = strip(url) end
      end
    end
  end
  return event
end

return M
