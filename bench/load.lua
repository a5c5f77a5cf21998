-- The requests that wrk sends, built once and then sent in turn, so that asking for one costs wrk next to nothing.
-- Arguments: METHOD PATH HEADERS BODY_BYTES USERS ROUTES PAUSE_MS. The figures are printed as one line of JSON behind a
-- mark.

local requests, turn = {}, 0

local browser = {
  ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
  ["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
  ["Accept-Language"] = "en-US,en;q=0.5",
  ["Accept-Encoding"] = "gzip, deflate, br, zstd",
  ["Referer"] = "https://shop.example.com/orders?page=2",
  ["Cookie"] = "session=8f14e45fceea167a5a36dedd4bea2543; theme=dark; consent=1",
  ["Cache-Control"] = "no-cache",
  ["Sec-Fetch-Dest"] = "empty",
  ["Sec-Fetch-Mode"] = "cors",
  ["Sec-Fetch-Site"] = "same-origin",
}

local function headers_of(user, count)
  local headers = { ["Host"] = wrk.headers["Host"], ["X-User-ID"] = "user-" .. user }
  if count > 2 then
    for name, value in pairs(browser) do headers[name] = value end
  end
  return headers
end

function init(args)
  local method, path, count = args[1], args[2], tonumber(args[3])
  local body_bytes, users, routes = tonumber(args[4]), tonumber(args[5]), tonumber(args[6])
  local body = body_bytes > 0 and string.rep("x", body_bytes) or nil
  for user = 1, users do
    local target = path
    if routes > 0 then
      -- 7919 is prime: the users' routes are spread over the whole list, whatever its length
      target = string.format("/api/service-%d/orders/%d", user * 7919 % routes, user)
    end
    requests[user] = wrk.format(method, target, headers_of(user, count), body)
  end
  local pause = tonumber(args[7])
  if pause > 0 then
    -- evenly between nothing and twice as much, or all connections would ask at once; not in the latency
    function delay() return math.random(0, 2 * pause) end
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    'FIGURES {"requests": %d, "seconds": %.6f, "bytes": %d, "p50_ms": %.3f, "p99_ms": %.3f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
