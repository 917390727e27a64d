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

local get, set = app.get, app.set
local settings = app.settings
local agent_paths, flag, mark = settings.user_agent_fields, settings.flag, settings.mark

-- A path that is none is an error now, not at the first event.
for _, path in ipairs(agent_paths) do get({}, path) end
if flag ~= "" then get({}, flag) end
if mark ~= "" then get({}, mark) end

local words, allow = {}, {}
for _, word in ipairs(WORDS) do words[#words + 1] = word end
for _, word in ipairs(settings.words) do words[#words + 1] = tostring(word):lower() end
for _, word in ipairs(settings.allow) do allow[#allow + 1] = tostring(word):lower() end

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
  if flag ~= "" and get(event, flag) == true then return true end
  for _, path in ipairs(agent_paths) do
    local agent = get(event, path)
    if type(agent) == "string" then return is_bot_agent(agent) end
  end
  return false
end

function M.transform(event)
  if not is_bot(event) then return event end
  if mark == "" then return nil end
  if not set(event, mark, true) then error("cannot set " .. mark .. ": something on the way is no object", 0) end
  return event
end

return M
