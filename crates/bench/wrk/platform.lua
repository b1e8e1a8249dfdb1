-- wrk script: -- users|reservations BUYERS SHOWTIMES
-- BUYERS: a file with an id and a token a line. SHOWTIMES: a file with an id a line.
-- `users`: GET /users/{id}, each buyer's own profile in turn.
-- `reservations`: POST /reservations, three adjacent seats in a scattered order without repeating one, so that every
-- request asks for free seats.
local STRIDE = 77777 -- has no common divisor with 100 times the number of showtimes

local requests = {}
local turn = 0
local buyers, showtimes = {}, {}
local key = tostring(os.time())

function requests.users()
   turn = turn + 1
   return buyers[turn % #buyers + 1].profile
end

function requests.reservations()
   local places = #showtimes * 100
   local place = turn * STRIDE % places
   assert(turn < places, "all seats are sold")
   turn = turn + 1
   local showtime, triple = place % #showtimes, math.floor(place / #showtimes)
   local row, seat = string.char(65 + math.floor(triple / 10)), triple % 10 * 3 + 1
   local buyer = buyers[(showtime + triple) % #buyers + 1]
   buyer.reserve["Idempotency-Key"] = key .. "-" .. turn
   return wrk.format("POST", "/reservations", buyer.reserve, string.format(
      '{"showtimeId":"%s","seats":["%s%d","%s%d","%s%d"]}', showtimes[showtime + 1],
      row, seat, row, seat + 1, row, seat + 2))
end

function init(args)
   request = assert(requests[args[1]], "say users or reservations")
   for line in io.lines(args[2]) do
      local id, token = line:match("^(%S+) (.+)$")
      table.insert(buyers, {
         profile = wrk.format("GET", "/users/" .. id, { ["Authorization"] = token }),
         reserve = { ["Authorization"] = token, ["Content-Type"] = "application/json" },
      })
   end
   for line in io.lines(args[3]) do table.insert(showtimes, line) end
end
