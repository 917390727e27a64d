local M = {}

function M.transform(event, app)
  event.env = "prod"
  event.source = "kafka:events"
  event.received_at = app.now()
  event.country = event.context.country
  event.userId = event.user_id
  event.user_id = nil
  event.messageId = event.message_id
  event.message_id = nil
  event.ip = nil
  return event
end

return M
