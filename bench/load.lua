-- wrk's requests: each line of a file is a token; with "once", each is sent once and the thread then ends.
local requests, sent, once = {}, 0, false

function init(args)
   for line in io.lines(args[1]) do
      requests[#requests + 1] = wrk.format("GET", "/orders/7", {["Authorization"] = "Bearer " .. line})
   end
   once = args[2] == "once"
end

function request()
   sent = sent + 1
   if once and sent >= #requests then wrk.thread:stop() end
   return requests[(sent - 1) % #requests + 1]
end

function done(summary)
   local failed = summary.errors
   io.write(string.format("result %d %d\n", summary.requests,
      failed.connect + failed.read + failed.write + failed.status + failed.timeout))
end
