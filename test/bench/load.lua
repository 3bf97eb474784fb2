-- SPDX-License-Identifier: MIT
--
-- load.lua - what wrk sends for bench.py: plain requests, or DEPTH of them in one write, and its
-- result as one line of JSON. wrk ... URL -- DEPTH

function init(args)
    local depth = tonumber(args[1])
    if depth > 1 then
        -- Made once: wrk calls request() before every write. Without it wrk sends one fixed request.
        local batch = string.rep(wrk.format(), depth)
        request = function() return batch end
    end
end

function done(summary, latency, _)
    local e = summary.errors
    io.write(string.format(
        '{"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"max_us":%d,' ..
        '"failures":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        latency.max, e.connect, e.read, e.write, e.status, e.timeout))
end
