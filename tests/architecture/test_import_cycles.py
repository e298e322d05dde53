"""No module imports itself in a round: what hangs together in a circle cannot be understood or tested apart."""

from graphlib import CycleError, TopologicalSorter

import grimp
import pytest

ROOTS = (
    "strata_datamodel",
    "strata_wire",
    "strata_core",
    "strata_stores",
    "strata_migrations",
    "strata_api",
    "strata_ingest",
    "strata_workers",
    "strata_cli",
)


def round_in(imports: dict[str, set[str]]) -> list[str]:
    """The modules of one circle, empty when there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_import_goes_round():
    graph = grimp.build_graph(*ROOTS, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 200
    assert round_in(imports) == []


@pytest.mark.parametrize("edge", [("b", "a"), ("c", "a")])
def test_a_planted_circle_is_found(edge):
    imports = {"a": {"b"}, "b": {"c"}, "c": set()}
    imports[edge[0]].add(edge[1])
    assert set(edge) <= set(round_in(imports))
