-- Printed by every script: answers, seconds, p50, p99, p99.9 in ms, answers that were errors or none.
function done(summary, latency)
   local e = summary.errors
   io.write(string.format("RESULT %d %.3f %.3f %.3f %.3f %d\n", summary.requests, summary.duration / 1e6,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3,
      e.status + e.connect + e.read + e.write + e.timeout))
end
