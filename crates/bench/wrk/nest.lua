-- wrk script: -- users|reservations
-- `users`: GET /users/{id}, one of 10,000 at random.
-- `reservations`: POST /reservations, three adjacent seats of one of 2,000 showtimes with 300 seats, in a scattered
-- order without repeating one, so that every request asks for free seats.
local PLACES, STRIDE = 200000, 77777 -- without a common divisor

local requests = {}
local turn = 0

function requests.users()
   return wrk.format("GET", string.format("/users/00000000-0000-7000-8000-%012d", math.random(0, 9999)))
end

function requests.reservations()
   local place = turn * STRIDE % PLACES
   turn = turn + 1
   local showtime, seat = place % 2000, math.floor(place / 2000) * 3 + 1
   return wrk.format("POST", "/reservations", { ["Content-Type"] = "application/json" }, string.format(
      '{"showtime":"00000000-0000-7000-8000-%012d","seats":[%d,%d,%d]}', showtime, seat, seat + 1, seat + 2))
end

function init(args)
   request = assert(requests[args[1]], "say users or reservations")
end
