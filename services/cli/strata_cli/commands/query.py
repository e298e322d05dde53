"""What can be asked of metrics, from a shell."""

from pathlib import Path
from typing import Annotated

import typer

from strata_cli.commands.options import DataDir
from strata_datamodel.errors import InvalidError
from strata_stores.settings import load_settings

Text = str | None


def query(
    measurement: Annotated[Text, typer.Option("--measurement", "-m", help="As cpu.", show_default=False)] = None,
    field: Annotated[Text, typer.Option("--field", "-f", help="As usage.", show_default=False)] = None,
    aggregate: Annotated[
        str,
        typer.Option(
            "--aggregate",
            "-a",
            help="count, sum, avg, min, max, first, last, rate, increase, distinct, mode, p50 to p99.",
        ),
    ] = "avg",
    filters: Annotated[
        list[str] | None, typer.Option("--filter", help="host=web-1, or with !=, =~ or !~; may be repeated.")
    ] = None,
    group_by: Annotated[list[str] | None, typer.Option("--group-by", "-g", help="A tag; may be repeated.")] = None,
    influxql: Annotated[Text, typer.Option(help="Ask in InfluxQL instead.", show_default=False)] = None,
    promql: Annotated[Text, typer.Option(help="Ask in PromQL instead.", show_default=False)] = None,
    begin: Annotated[str, typer.Option("--from", help="RFC 3339, Unix milliseconds, or relative.")] = "now-1h",
    end: Annotated[str, typer.Option("--to", help="As --from.")] = "now",
    step: Annotated[Text, typer.Option(help="As 1m.", show_default="one value; with --plot as it fits")] = None,
    org: Annotated[Text, typer.Option("--org", help="Slug or id.", show_default="that of the key")] = None,
    url: Annotated[
        Text, typer.Option(help="Of the API.", show_default="STRATA_API_URL, or the one running here")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="Holds the API key; `-` reads stdin.", show_default="STRATA_API_KEY")
    ] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Draw it.")] = False,  # noqa: FBT002
    json: Annotated[bool, typer.Option("--json", help="The API's answer, for programs.")] = False,  # noqa: FBT002
    csv: Annotated[bool, typer.Option("--csv", help="A row for each point, for spreadsheets.")] = False,  # noqa: FBT002
    data_dir: DataDir = None,
) -> None:
    """Ask for metrics: by measurement and field, in InfluxQL, or in PromQL. Shows a table, or a plot.

    strata query -m cpu -f usage -g host --from now-6h --plot

    strata query --promql 'sum by (code) (rate(http_requests_total[5m]))' --step 1m

    strata query --influxql 'SELECT mean(usage) FROM cpu WHERE time > now() - 1h GROUP BY time(1m), host' --csv
    """
    from strata_cli.api_client import open_api
    from strata_cli.querying import Asked, Form, Language, filter_from, run_query

    asked_in = {Language.METRICS: measurement, Language.INFLUXQL: influxql, Language.PROMQL: promql}
    languages = [language for language, text in asked_in.items() if text]
    forms = [form for form, wanted in ((Form.PLOT, plot), (Form.JSON, json), (Form.CSV, csv)) if wanted]
    if len(languages) != 1 or (measurement and not field):
        raise InvalidError("ask with --measurement and --field, with --influxql, or with --promql", code="bad_query")
    if len(forms) > 1:
        raise InvalidError("--plot, --json and --csv exclude each other", code="bad_query")
    question = {
        "measurement": measurement,
        "field": field,
        "aggregate": aggregate,
        "filters": [filter_from(each) for each in filters or []],
        "group_by": group_by or [],
    }
    asked = Asked(languages[0], asked_in[languages[0]] or "", question, begin, end, step)
    api = open_api(load_settings(data_dir=data_dir), url=url, key_file=key_file)
    run_query(api, asked, org, forms[0] if forms else Form.TABLE)
