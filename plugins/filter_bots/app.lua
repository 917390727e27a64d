local M = {}

-- What the agents of crawlers, previews, monitors, libraries and headless browsers have in common.
local WORDS = {
  "bot", "crawl", "spider", "slurp", "headless", "phantomjs", "puppeteer", "playwright", "selenium", "lighthouse",
  "pagespeed", "pingdom", "uptime", "statuscake", "facebookexternalhit", "embedly", "whatsapp/", "bingpreview",
  "mediapartners-google", "google-inspectiontool", "curl/", "wget/", "python-requests", "python-urllib", "aiohttp/",
  "go-http-client", "java/", "okhttp/", "axios/", "node-fetch", "libwww-perl", "scrapy", "httrack", "ahrefs", "semrush",
}
-- Words that contain one of those and are none.
local INNOCENT = { "cubot" }

local function split(path)
  local way = {}
  for name in path:gmatch("[^.]+") do
    way[#way + 1] = name
  end
  return way
end

local function value_at(event, way)
  local at = event
  for _, name in ipairs(way) do
    if type(at) ~= "table" then return nil end
    at = at[name]
  end
  return at
end

local settings = app.settings

local agent_ways, words, allow = {}, {}, {}
for _, path in ipairs(settings.user_agent_fields) do
  agent_ways[#agent_ways + 1] = split(path)
end
for _, word in ipairs(WORDS) do words[#words + 1] = word end
for _, word in ipairs(settings.words) do words[#words + 1] = tostring(word):lower() end
for _, word in ipairs(settings.allow) do allow[#allow + 1] = tostring(word):lower() end
local flag_way = settings.flag ~= "" and split(settings.flag) or nil
local mark_way = settings.mark ~= "" and split(settings.mark) or nil

local function contains_any(text, list)
  for _, word in ipairs(list) do
    if text:find(word, 1, true) then return true end
  end
  return false
end

local function judge(agent)
  agent = agent:lower()
  if contains_any(agent, allow) then return false end
  for _, word in ipairs(INNOCENT) do
    if agent:find(word, 1, true) then agent = agent:gsub(word, "") end
  end
  return contains_any(agent, words)
end

-- The same few agents come again and again. At most this many answers are remembered, then it starts anew; and none for
-- agents that no browser sends, which would fill the memory.
local REMEMBERED_MAX, REMEMBERED_BYTES_MAX = 1000, 512
local remembered, count = {}, 0

local function is_bot_agent(agent)
  local answer = remembered[agent]
  if answer ~= nil then return answer end
  answer = judge(agent)
  if #agent <= REMEMBERED_BYTES_MAX then
    if count >= REMEMBERED_MAX then remembered, count = {}, 0 end
    remembered[agent], count = answer, count + 1
  end
  return answer
end

local function is_bot(event)
  if flag_way and value_at(event, flag_way) == true then return true end
  for _, way in ipairs(agent_ways) do
    local agent = value_at(event, way)
    if type(agent) == "string" then return is_bot_agent(agent) end
  end
  return false
end

local function mark(event)
  local at = event
  for i = 1, #mark_way - 1 do
    if at[mark_way[i]] == nil then at[mark_way[i]] = {} end
    at = at[mark_way[i]]
  end
  at[mark_way[#mark_way]] = true
  return event
end

function M.transform(event)
  if not is_bot(event) then return event end
  if mark_way then return mark(event) end
  return nil
end

return M
