# SPDX-License-Identifier: MIT
"""What the rounds add up to: medians, paired ratios, and the goals of the design beside them.

A ratio is printed with its range over the rounds: where that is wider than the distance to the
goal, the machine was too busy to tell. Where the server's core is not full, wrk or what the server
asks was the limit and the rate compares nothing; CPU per request still does.
"""

import statistics
import typing

import grpc_bench
import grpc_listing_bench
import listings_bench
import load
import profile_bench

KIND_TITLES = {"plain": "GET, keep-alive", "pipelined": f"GET, {load.DEPTH} pipelined"}
FULL_CORE = 0.95


class Spread(typing.NamedTuple):
    median: float
    low: float
    high: float

    def __str__(self):
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def _spread(values):
    return Spread(statistics.median(values), min(values), max(values))


def median(rounds, figure):
    return statistics.median(result[figure] for result in rounds)


def ratio(ours, theirs, figure):
    """Of the ratios within each round; infinite where a round was too short to see any."""
    return _spread([a[figure] / b[figure] if b[figure] else float("inf")
                    for a, b in zip(ours, theirs)])


def _profile_cost_pct(profile):
    return _spread([(a["cpu_ns"] / b["cpu_ns"] - 1) * 100
                    for a, b in zip(profile["with"], profile["without"])])


def _http_goals(results):
    plain, pipelined = results["load"]["plain"], results["load"]["pipelined"]
    user = ratio(plain["toq"], plain["nginx"], "user_ns")
    rows = [("GET: user CPU per request, toq / nginx", "<= 0.7", user, user.median <= 0.7)]
    for peer in [name for name in plain if name != "toq"]:
        rate = ratio(plain["toq"], plain[peer], "rate")
        rows.append((f"GET: rate, toq / {peer}", ">= 1", rate, rate.median >= 1))
    rate = ratio(pipelined["toq"], pipelined["nginx"], "rate")
    rows.append(("GET, pipelined: rate, toq / nginx", ">= 5", rate, rate.median >= 5))
    cost = _profile_cost_pct(results["profile"])
    rows.append(("CPU profile, 100 Hz: % more CPU per request", "< 1", cost, cost.median < 1))
    return rows


def _listing_goals(listings):
    cpu = ratio(listings["mysql"]["toq"], listings["mysql"]["Go"], "cpu_ns")
    rate = ratio(listings["redis"]["toq"], listings["redis"]["Go"], "rate")
    return [("Listing, MySQL: CPU per request, toq / Go", "<= 0.5", cpu, cpu.median <= 0.5),
            ("Listing, Redis hit: rate, toq / Go", ">= 2", rate, rate.median >= 2)]


def _cost_pct(by_server, cost):
    """The median and the middle half of what `cost` adds to the CPU per request, in percent."""
    _, _, with_it, without_it = cost
    ratios = sorted((a["cpu_ns"] / b["cpu_ns"] - 1) * 100
                    for a, b in zip(by_server[with_it], by_server[without_it]))
    quarter = len(ratios) // 4
    return Spread(statistics.median(ratios), ratios[quarter], ratios[-1 - quarter])


def _profile_goals(profiles):
    rows = []
    for kind, by_server in profiles.items():
        for cost in profile_bench.COSTS:
            what, goal_pct, _, _ = cost
            if goal_pct is not None:
                spread = _cost_pct(by_server, cost)
                rows.append((f"{what}, {kind}: % more CPU", f"< {goal_pct}", spread,
                             spread.median < goal_pct))
    return rows


def _call_goals(what, calls):
    rows = []
    for name, by_server in calls.items():
        cpu = ratio(by_server["toq"], by_server["grpc-go"], "cpu_ns")
        rows.append((f"{what}, {name}: CPU per call, toq / grpc-go", "<= 0.33", cpu,
                     cpu.median <= 1 / 3))
        cpu = ratio(by_server["toq"], by_server["grpc++"], "cpu_ns")
        rows.append((f"{what}, {name}: CPU per call, toq / grpc++", "< 1", cpu, cpu.median < 1))
    return rows


def _grpc_goals(calls):
    rate = ratio(calls["many"]["toq"], calls["many"]["grpc++"], "rate")
    return _call_goals("gRPC", calls) + [
        ("gRPC, many: rate, toq / grpc++", "> 1", rate, rate.median > 1)]


def goals(results):
    """The goals that this bench can judge: (what, goal, Spread, is_met)."""
    rows = _http_goals(results) if "load" in results else []
    rows += _profile_goals(results["profiles"]) if "profiles" in results else []
    rows += _grpc_goals(results["grpc"]) if "grpc" in results else []
    rows += _call_goals("GetListing", results["grpc_listing"]) if "grpc_listing" in results else []
    return rows + (_listing_goals(results["listings"]) if "listings" in results else [])


def _show_load(title, by_server, results):
    # wrk tells what the slowest take, h2load what they take in the mean.
    latency = next(name for name in ("p99_us", "mean_us") if name in by_server["toq"][0])
    print(f"\n{title}, medians of {results['rounds']} rounds of {results['seconds']} s")
    print(f"  {'server':<8}{'requests/s':>12}{latency.replace('_us', ' ms'):>9}{'user us':>10}{'system us':>11}"
          f"{'CPU us':>9}{'core busy':>11}")
    for name, rounds in by_server.items():
        print(f"  {name:<8}{median(rounds, 'rate'):>12.0f}{median(rounds, latency) / 1e3:>9.2f}"
              f"{median(rounds, 'user_ns') / 1e3:>10.3f}{median(rounds, 'system_ns') / 1e3:>11.3f}"
              f"{median(rounds, 'cpu_ns') / 1e3:>9.3f}{median(rounds, 'busy') * 100:>10.0f}%")
    for peer in [name for name in by_server if name != "toq"]:
        cells = [f"{what} {ratio(by_server['toq'], by_server[peer], figure)}"
                 for figure, what in (("rate", "rate"), ("user_ns", "user"), ("cpu_ns", "CPU"))]
        print(f"  toq / {peer}: " + ", ".join(cells))
    if median(by_server["toq"], "busy") < FULL_CORE:
        print("  toq's core was not full, something else was the limit: compare CPU, not the rates")


def _show_profile(profile):
    print("\nA CPU profile at 100 Hz, toq, GET, keep-alive")
    for kind in ("without", "with"):
        rounds = profile[kind]
        print(f"  {kind:<8}{median(rounds, 'rate'):>12.0f} requests/s"
              f"{median(rounds, 'cpu_ns') / 1e3:>9.3f} CPU us per request")


def _show_profiles(kind, by_server):
    print(f"\nWhat profiles cost: {profile_bench.TITLES[kind]}, medians of "
          f"{len(by_server['all'])} rounds")
    for without, rounds in by_server.items():
        print(f"  without {without:<14}{median(rounds, 'rate'):>12.0f} requests/s"
              f"{median(rounds, 'cpu_ns') / 1e3:>9.3f} CPU us per request")
    for cost in profile_bench.COSTS:
        print(f"  {cost[0]:<24}{_cost_pct(by_server, cost)} % (middle half of the rounds)")


def _show_idle(results):
    print(f"\n{results['connections']} idle keep-alive connections")
    print(f"  {'server':<8}{'RSS before':>13}{'RSS after':>13}{'bytes per connection':>22}")
    for name, cost in results["idle"].items():
        print(f"  {name:<8}{cost['before'] / 1024:>9.0f} KiB{cost['after'] / 1024:>9.0f} KiB"
              f"{cost['per_connection']:>22.0f}")


def show(results):
    for kind, by_server in results.get("load", {}).items():
        _show_load(f"{KIND_TITLES[kind]}: {load.CONNECTIONS} connections", by_server, results)
    if "load" in results:
        _show_profile(results["profile"])
        _show_idle(results)
    for kind, by_server in results.get("profiles", {}).items():
        _show_profiles(kind, by_server)
    for kind, by_server in results.get("listings", {}).items():
        title = f"{listings_bench.KINDS[kind].title}: {load.CONNECTIONS} connections"
        _show_load(title, by_server, results)
    for kind, by_server in results.get("grpc", {}).items():
        _show_load(grpc_bench.KINDS[kind].title, by_server, results)
    for kind, by_server in results.get("grpc_listing", {}).items():
        _show_load(grpc_listing_bench.KINDS[kind].title, by_server, results)
    print("\nGoals: median over the rounds (lowest to highest)")
    for what, goal, spread, is_met in goals(results):
        print(f"  {what:<45}{goal:>8}  {spread!s:<24}{'met' if is_met else 'NOT MET'}")
