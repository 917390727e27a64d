local M = {}

function M.transform(event, app)
  local email = event.email
  if type(email) ~= "string" then
    error("email is not a string but " .. type(email))
  end
  event.email_sha256 = app.sha256(email)
  event.email = nil
  return event
end

return M
