local M = {}

function M.transform(event, app)
  if event.event == "heartbeat" or event.properties.is_bot == true then
    return nil
  end
  return event
end

return M
