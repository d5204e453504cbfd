-- wrk's requests: each has a token with a kid of its own. args: FILE COUNT SEED MILLISECONDS, as flood.py writes them.
-- FILE: what comes before the kid, what comes after it, then texts of which a kid is four at random.
local before, after, parts, count, sent, pause = "", "", {}, 0, 0, 0

function init(args)
   local lines = io.lines(args[1])
   before, after = lines(), lines()
   for line in lines do parts[#parts + 1] = line end
   count, pause = tonumber(args[2]), tonumber(args[4])
   math.randomseed(tonumber(args[3]))
end

function delay()
   return pause
end

function request()
   sent = sent + 1
   if sent == count then
      io.stderr:write("sent\n")
      wrk.thread:stop()
   end
   local kid = {}
   for i = 1, 4 do kid[i] = parts[math.random(#parts)] end
   return wrk.format("GET", "/", {["Authorization"] = "Bearer " .. before .. table.concat(kid) .. after})
end

function done(summary)
   local failed = summary.errors
   io.write(string.format("result %d %d %d\n", summary.requests, failed.status,
      failed.connect + failed.read + failed.write + failed.timeout))
end
