"""Queries that a real Prometheus answers in the same way, of the samples in `promql_samples`."""

from typing import Final

LITERALS: Final = """
1
-1.5e3
0x1F
010
1 + 2 * 3 ^ 2 ^ 0.5
-2 ^ 2
7 % -3
-7 % 3
1 / 0
-1 / 0
0 / 0
Inf
NaN
3 > bool 2
3 == bool NaN
2 atan2 3
"a text"
'it\\'s \\u00e9'
`raw \\t`
time()
pi()
vector(3)
vector(time()) * 2
scalar(vector(7)) + 1
+(3)
# only a comment before \\n 1
"""
SELECTORS: Final = """
temperature_celsius
temperature_celsius{room="attic"}
temperature_celsius{room!="attic"}
temperature_celsius{room=~"att.*|study"}
temperature_celsius{room=~"tt"}
temperature_celsius{room!~"a.*"}
temperature_celsius{floor="0",room=~".+c.+"}
temperature_celsius{absent=""}
temperature_celsius{absent!=""}
temperature_celsius{room=~"|attic"}
{__name__="temperature_celsius",floor="1"}
{__name__=~"room_.*"}
{room="attic"}
{__name__=~"temperature.*|constant",room!="study"}
nothing_like_it
gappy
ended
resumed
once
twice
uneven
slow_total
undefined
infinite
huge
tiny
worded
worded{path="/a/b?c=d"}
worded{quoted="say \\"hi\\"\\\\"}
worded{umlaut=~"gr..e"}
temperature_celsius offset 5m
temperature_celsius offset -5m
gappy offset 7m
ended offset 6m
resumed offset 1m
requests_total offset 1h
once offset 10m
once offset 10m1ms
once offset 9m59s999ms
ended offset 17m45s
ended offset 17m44s
constant @ {begin+600}
temperature_celsius @ {begin+600.5} offset 1m
requests_total @ start()
requests_total @ end()
sum(requests_total @ end()) - sum(requests_total)
"""
RANGES: Final = """
gappy[2m]
resumed[20m]
undefined[1m]
uneven[1m] offset 3m
once[40m]
requests_total{job="api"}[45s]
rate(requests_total[1m])[3m:1m]
temperature_celsius[2m:30s]
temperature_celsius[3m:]
constant[1m:17s] offset 90s
"""
RATES: Final = """
rate(requests_total[5m])
rate(requests_total[1m])
rate(requests_total[15s])
rate(requests_total[20s])
rate(requests_total[30s])
rate(requests_total[47s])
rate(requests_total[1h])
increase(requests_total[5m])
increase(requests_total[1h])
increase(failures_total[10m])
rate(failures_total[10m] offset 4m)
irate(requests_total[5m])
irate(requests_total[16s])
irate(gappy[20m])
delta(temperature_celsius[5m])
delta(requests_total[5m])
idelta(temperature_celsius[5m])
idelta(requests_total[10m])
rate(gappy[5m])
rate(gappy[20m])
increase(resumed[20m])
increase(ended[10m])
rate(uneven[3m])
irate(uneven[3m])
increase(slow_total[10m])
rate(slow_total[4m])
rate(slow_total[1m])
rate(once[40m])
rate(twice[40m])
increase(twice[5m])
rate(undefined[5m])
rate(infinite[5m])
increase(huge[5m])
rate(tiny[5m])
delta(constant[5m])
rate(requests_total[5m] @ end())
rate(requests_total[5m] offset -2m)
deriv(temperature_celsius[10m])
deriv(requests_total[10m])
deriv(constant[10m])
deriv(gappy[15m])
deriv(once[40m])
deriv(uneven[5m])
predict_linear(temperature_celsius[10m], 3600)
predict_linear(requests_total[10m] offset 3m, 600)
predict_linear(gappy[15m], -60)
predict_linear(constant[5m], time() / 1e6)
changes(requests_total[10m])
changes(constant[10m])
changes(undefined[10m])
changes(resumed[30m])
resets(requests_total[45m])
resets(temperature_celsius[10m])
resets(uneven[10m])
"""
OVER_TIME: Final = """
avg_over_time(temperature_celsius[5m])
avg_over_time(undefined[5m])
avg_over_time(infinite[1m])
avg_over_time(huge[10m])
min_over_time(temperature_celsius[5m])
min_over_time(undefined[5m])
max_over_time(temperature_celsius[5m])
max_over_time(infinite[2m])
sum_over_time(temperature_celsius[5m])
sum_over_time(undefined{kind="some"}[15s])
sum_over_time(tiny[10m])
count_over_time(gappy[10m])
count_over_time(resumed[15m])
count_over_time(requests_total[15s])
last_over_time(resumed[10m])
last_over_time(gappy[10m])
last_over_time({room="attic"}[10m])
present_over_time(gappy[3m])
present_over_time(once[10m])
count_over_time(once[15m])
count_over_time(once[14m59s999ms])
count_over_time(constant[15s] offset 15s)
stddev_over_time(temperature_celsius[5m])
stdvar_over_time(requests_total[5m])
stddev_over_time(constant[5m])
stdvar_over_time(once[30m])
quantile_over_time(0.5, temperature_celsius[5m])
quantile_over_time(0.95, requests_total[5m])
quantile_over_time(0, uneven[5m])
quantile_over_time(1, uneven[5m])
quantile_over_time(1.5, uneven[5m])
quantile_over_time(-1, uneven[5m])
quantile_over_time(NaN, uneven[5m])
quantile_over_time(0.3, undefined[5m])
quantile_over_time(0.7, infinite[2m])
absent_over_time(gappy[5m])
absent_over_time(nothing_like_it{job="x",room=~"y"}[5m])
absent_over_time(ended[5m])
max_over_time(rate(requests_total[1m])[10m:1m])
avg_over_time(rate(requests_total[2m])[10m:])
min_over_time(sum(temperature_celsius)[10m:45s] offset 2m)
sum_over_time(vector(1)[5m:10s])
rate(sum(requests_total)[10m:30s])
max_over_time((time() - 100)[5m:1m])
avg_over_time(avg_over_time(temperature_celsius[2m])[5m:20s])
count_over_time(resumed[20m:15s])
last_over_time(temperature_celsius[10m:1m] @ end())
sum_over_time(temperature_celsius[10m:1m] @ {begin+900} offset 30s)
"""
AGGREGATIONS: Final = """
sum(temperature_celsius)
sum by (floor) (temperature_celsius)
sum without (room) (temperature_celsius)
sum by (floor, room) (temperature_celsius)
sum by (nothing) (temperature_celsius)
sum(temperature_celsius) by (floor)
sum by (__name__) ({room="attic"})
sum without () (temperature_celsius)
sum(nothing_like_it)
sum by (job) (rate(requests_total[5m]))
sum(rate(requests_total[5m])) by (instance)
avg(temperature_celsius)
avg by (floor) (temperature_celsius)
min by (floor) (temperature_celsius)
max without (floor) (temperature_celsius)
min(undefined)
max(undefined)
sum(undefined)
avg(infinite)
sum({__name__=~"gappy|ended|resumed|constant"})
count(requests_total)
count by (job) (requests_total)
count({__name__=~"gappy|ended|resumed"})
group by (job) (requests_total)
stddev(temperature_celsius)
stdvar by (floor) (temperature_celsius)
stddev(constant)
stdvar(undefined)
topk(2, temperature_celsius)
topk(1, temperature_celsius) by (floor)
bottomk(2, temperature_celsius)
bottomk by (floor) (1, temperature_celsius)
topk(0, temperature_celsius)
topk(-1, temperature_celsius)
topk(100, temperature_celsius)
topk(1.9, temperature_celsius)
topk(scalar(constant) - 5, temperature_celsius)
topk(2, {__name__=~"undefined|constant",kind!="all"})
bottomk(1, {__name__=~"undefined|constant",kind!="some"})
quantile(0.5, temperature_celsius)
quantile by (floor) (0.9, temperature_celsius)
quantile(2, temperature_celsius)
quantile(-1, temperature_celsius)
quantile(NaN, temperature_celsius)
quantile(0.5, {__name__=~"gappy|ended|resumed|undefined"})
count_values("value", doubled)
count_values by (side) ("value", doubled)
count_values("le", {__name__=~"undefined|infinite|huge|tiny"})
count_values without (side) ("number", doubled)
sum(sum by (job) (requests_total))
"""
OPERATORS: Final = """
temperature_celsius + 1
1 - temperature_celsius
temperature_celsius * temperature_celsius
temperature_celsius / 0
temperature_celsius % 3
-7.5 % temperature_celsius
temperature_celsius ^ 2
temperature_celsius ^ 0.5
2 ^ -temperature_celsius
-temperature_celsius
+temperature_celsius
-(-temperature_celsius)
temperature_celsius > 10
10 < temperature_celsius
temperature_celsius > bool 10
10 >= bool temperature_celsius
temperature_celsius == temperature_celsius
temperature_celsius != bool temperature_celsius
undefined == undefined
undefined != undefined
undefined > 3
infinite == Inf
infinite <= 0
failures_total / requests_total
failures_total / on(job, instance) requests_total
requests_total - ignoring(job) failures_total{job="api"}
requests_total > failures_total
requests_total > bool failures_total
failures_total > on(job, instance) requests_total
temperature_celsius > on(room) room_limit_celsius
temperature_celsius - on(room) room_limit_celsius
temperature_celsius * on(room) group_left(owner) room_info
temperature_celsius * on(room) group_left room_info
room_info * on(room) group_right(owner) temperature_celsius
temperature_celsius * on(room) group_left(floor) room_info
temperature_celsius > on(room) group_left(owner) room_limit_celsius
sum by (floor) (temperature_celsius) / on() group_left sum(temperature_celsius)
temperature_celsius / ignoring(room) group_left sum by (floor) (temperature_celsius)
temperature_celsius / on(floor) group_left sum by (floor) (temperature_celsius)
ended + resumed
ended + on() resumed
gappy - gappy offset 5m
temperature_celsius and on(room) room_limit_celsius
temperature_celsius and room_limit_celsius
temperature_celsius unless on(room) room_limit_celsius
temperature_celsius unless temperature_celsius{floor="1"}
temperature_celsius or room_limit_celsius
room_limit_celsius or on(room) temperature_celsius
room_limit_celsius or ignoring(floor) temperature_celsius
ended or resumed
gappy or on() ended or on() vector(0)
temperature_celsius > 10 and temperature_celsius < 20
temperature_celsius > 10 or temperature_celsius < -3
nothing_like_it or vector(1)
nothing_like_it + 1
nothing_like_it + constant
nothing_like_it unless constant
constant and on() nothing_like_it
constant * scalar(ended)
sum(requests_total) > 100
time() - unixtime
vector(1) + on() group_right doubled
shift + on(side) shift
(temperature_celsius)
((temperature_celsius + (1)))
1 + 2 * constant - 3 / constant ^ 2 % 5
constant == 7 != 8
constant < bool 8 == bool 1
-constant ^ 2
"""
FUNCTIONS: Final = """
abs(temperature_celsius)
ceil(temperature_celsius)
floor(temperature_celsius)
exp(temperature_celsius)
ln(temperature_celsius)
log2(temperature_celsius)
log10(infinite)
sqrt(temperature_celsius)
sgn(infinite)
sgn(undefined)
round(temperature_celsius)
round(temperature_celsius, 0.1)
round(temperature_celsius, 5)
round(infinite, 0.25)
clamp(temperature_celsius, 0, 15)
clamp(temperature_celsius, 15, 0)
clamp_min(temperature_celsius, 10)
clamp_max(undefined, 1000)
clamp_min(temperature_celsius, scalar(constant))
sin(temperature_celsius)
acos(infinite)
atanh(infinite)
deg(temperature_celsius)
rad(temperature_celsius)
scalar(temperature_celsius)
scalar(constant)
scalar(gappy)
vector(scalar(ended))
absent(nothing_like_it)
absent(nothing_like_it{job="a",job="b",room=~"c",floor!="d",x="y"})
absent(gappy)
absent(sum(nothing_like_it))
absent(constant)
timestamp(gappy)
timestamp(uneven)
timestamp(uneven offset 1m)
timestamp(uneven + 0)
timestamp((uneven))
sort(temperature_celsius)
sort_desc(temperature_celsius)
sort(undefined)
sort_desc({__name__=~"undefined|constant"})
hour()
minute()
month()
year()
day_of_month()
day_of_week()
day_of_year()
days_in_month()
hour(unixtime)
minute(unixtime)
month(unixtime)
year(unixtime)
day_of_month(unixtime)
day_of_week(unixtime)
day_of_year(unixtime)
days_in_month(unixtime)
year(vector(-86400 * 365.25 * 20))
day_of_week(vector(-1))
hour(-temperature_celsius * 3600)
label_replace(temperature_celsius, "floor", "floor $1", "floor", "(.*)")
label_replace(temperature_celsius, "letter", "$1-$2", "room", "(.)(.).*")
label_replace(temperature_celsius, "letter", "${1}x$1x", "room", "(.).*")
label_replace(temperature_celsius, "letter", "$first.$$", "room", "(?P<first>.).*")
label_replace(temperature_celsius, "letter", "$1", "room", "x.*")
label_replace(temperature_celsius, "letter", "\\\\0 $3", "room", "(.)(?:.).*")
label_replace(temperature_celsius, "room", "", "floor", "0")
label_replace(temperature_celsius, "new", "there", "absent", "")
label_replace(temperature_celsius, "__name__", "other", "", "")
label_replace(temperature_celsius, "copy", "$0", "room", ".*")
label_join(temperature_celsius, "both", "-", "room", "floor")
label_join(temperature_celsius, "both", ", ", "room", "absent", "floor")
label_join(temperature_celsius, "none", "x")
histogram_quantile(0.5, latency_seconds_bucket)
histogram_quantile(0.9, rate(latency_seconds_bucket[5m]))
histogram_quantile(0.99, sum by (le) (rate(latency_seconds_bucket[5m])))
histogram_quantile(0, latency_seconds_bucket)
histogram_quantile(1, latency_seconds_bucket)
histogram_quantile(1.1, latency_seconds_bucket)
histogram_quantile(-0.1, latency_seconds_bucket)
histogram_quantile(NaN, latency_seconds_bucket)
histogram_quantile(0.01, latency_seconds_bucket)
histogram_quantile(0.5, endless_bucket)
histogram_quantile(0.5, negative_bucket)
histogram_quantile(0.05, negative_bucket)
histogram_quantile(0.4, falling_bucket)
histogram_quantile(0.5, temperature_celsius)
histogram_quantile(scalar(constant) / 10, latency_seconds_bucket)
histogram_quantile(0.5, latency_seconds_bucket{le!="0.5"})
histogram_quantile(0.5, latency_seconds_bucket{le="+Inf"})
sum(latency_seconds_bucket{le="0.5"}) / sum(latency_seconds_count)
"""
ERRORS: Final = """
doubled + on(number) doubled
doubled + on(side) group_left doubled
doubled + on(number) group_left() constant
temperature_celsius * on(floor) temperature_celsius
temperature_celsius > on(floor) sum by (floor) (temperature_celsius)
temperature_celsius + on(floor) sum by (floor) (temperature_celsius)
doubled * on(number) group_left(side) doubled{side="left"}
rate({room="attic"}[5m])
{room="attic"} + 1
abs({room="attic"})
-{room="attic"}
sum_over_time({room="attic"}[5m])
label_replace(temperature_celsius, "room", "same", "room", ".*")
label_replace(temperature_celsius, "bad name", "x", "room", ".*")
label_replace(temperature_celsius, "room", "x", "room", "(")
label_join(temperature_celsius, "bad name", "x", "room")
count_values("bad name", constant)
topk(NaN, constant)
topk(1e30, constant)
1 +
sum(
rate(constant)
constant[5m
constant[5m] + 1
constant[0s]
constant[5]
constant[1m1h]
abs()
abs(constant, constant)
abs(constant,)
unknown_function(constant)
{}
{a=""}
{a=~".*"}
constant{__name__="other"}
constant{a=~"("}
constant{a b}
constant{a="b}
constant offset 1
constant offset 1m offset 2m
(constant) offset 1m
constant[5m] offset
constant @ foo
1 == 1
"a" + 1
constant and 1
constant + bool constant
constant + on() 1
constant and on() group_left constant
constant + group_left constant
constant * on(a) group_left(a) constant
sum(constant, constant)
topk(constant)
topk("a", constant)
count_values(1, constant)
sum by (a:b) (constant)
-"a"
-constant[5m]
rate(constant[5m])[5m]
(1)[5m:]
constant[5m:1m][5m]
5m
1..2
0x
"\\q"
foo bar
)
bool
on
"""


def queries(table: str, begin_ms: int) -> list[str]:
    """One a line; `{begin+600}` is an instant as seconds since the epoch."""
    found = []
    for line in table.strip().splitlines():
        before, mark, rest = line.partition("{begin+")
        after, _, end = rest.partition("}")
        found.append(f"{before}{begin_ms / 1_000 + float(after):.3f}{end}" if mark else line.replace("\\n", "\n"))
    return found
