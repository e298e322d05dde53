"""What the table shows is what was measured."""

from bench.commandline import ROWS, main
from bench.figures import Figure, Row, RowResult, Spread
from bench.report import table

ROW = Row(
    "thing",
    "things over bare things",
    lambda _plan, _repeat: {},
    (Figure("ratio", "÷ bare", is_ratio=True), Figure("rate", "things", "/s")),
)


def test_a_spread_is_the_median_between_the_extremes():
    assert Spread.of([3.0, 1.0, 10.0]) == Spread(3.0, 1.0, 10.0)
    assert Spread.of([1.0, 2.0]) == Spread(1.5, 1.0, 2.0)


def test_the_table_has_a_line_a_figure_and_is_aligned():
    result = RowResult(ROW, [{"ratio": 0.5, "rate": 1_234_567.0}, {"ratio": 0.25, "rate": 12.34}])
    title, *lines = table(result).strip().splitlines()
    assert title == "things over bare things"
    assert len({len(line) for line in lines}) == 1
    assert [cell.strip() for cell in lines[2].strip("|").split("|")] == ["÷ bare", "0.375", "0.250 … 0.500", "ratio"]
    assert [cell.strip() for cell in lines[3].strip("|").split("|")] == ["things", "617,290", "12.3 … 1,234,567", "/s"]


def test_every_row_can_be_listed(capsys):
    assert main(["--list"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == list(ROWS)
