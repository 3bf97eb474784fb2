-- SPDX-License-Identifier: MIT
--
-- listings.lua - what wrk sends for listings.py. wrk ... URL -- KIND FILE [PAUSE]
--
-- KIND   one: a listing by id, any of them; page: a city's first page; mix: one request in WRITE_EVERY
--        is a PATCH of the next listing in turn, the others are as in `one`
-- FILE   a line "ID VERSION" for each listing (one, mix), or an encoded city a line (page)
-- PAUSE  for how many ms each connection rests between two requests; none by default
--
-- Each listing is written once in a run at most, before its turn comes again: so its version is
-- known, and a write that is refused is an error of the server.

local WRITE_EVERY = 10
local SEED = 1

dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "load.lua") -- done()

local function read_lines(path)
    local lines = {}
    for line in io.lines(path) do
        lines[#lines + 1] = line
    end
    return lines
end

local function requests_for(lines, pattern)
    local requests = {}
    for i, line in ipairs(lines) do
        requests[i] = wrk.format("GET", wrk.path .. pattern .. line:match("^%S+"))
    end
    return requests
end

local function any_of(requests)
    return function() return requests[math.random(#requests)] end
end

local function writes_of(lines)
    local at = 0
    return function()
        at = at % #lines + 1
        local id, version = lines[at]:match("^(%S+) (%d+)$")
        lines[at] = string.format("%s %d", id, version + 1)
        return wrk.format("PATCH", wrk.path .. "/" .. id, {
            ["Authorization"] = "Bearer " .. os.getenv("BENCH_TOKEN"),
            ["Content-Type"] = "application/merge-patch+json",
            ["If-Match"] = '"' .. version .. '"',
        }, string.format('{"price_cents":%d}', math.random(10000000, 99999999)))
    end
end

local function mixed(read, write)
    local count = 0
    return function()
        count = count + 1
        return count % WRITE_EVERY == 0 and write() or read()
    end
end

function init(args)
    local kind, lines = args[1], read_lines(args[2])
    math.randomseed(SEED)
    if kind == "page" then
        request = any_of(requests_for(lines, "?city="))
    elseif kind == "mix" then
        request = mixed(any_of(requests_for(lines, "/")), writes_of(lines))
    else
        request = any_of(requests_for(lines, "/"))
    end
    local pause_ms = tonumber(args[3] or 0)
    if pause_ms > 0 then
        delay = function() return pause_ms end
    end
end
