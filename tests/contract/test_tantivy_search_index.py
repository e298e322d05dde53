"""The search index contract on tantivy, and what holds for files only."""

import shutil

import pytest

from contract.prepared_stores import prepared_stores
from contract.search_index_contract import SearchIndexContract, found_ids
from factories.indexed_entities import PLACE, projected
from strata_datamodel.search import GenerationMissingError
from strata_stores.clock import SystemClock
from strata_stores.tantivy.search_index import TantivySearchIndex


@pytest.fixture
def new_index(tmp_path):
    def build(number):
        return TantivySearchIndex(tmp_path / f"search-{number}", SystemClock())

    with prepared_stores(build) as new_index:
        yield new_index


class TestSearchIndex(SearchIndexContract):
    def test_what_was_written_is_there_for_later_processes_and_for_readers_beside_this(self, index, tmp_path, acme):
        entity = projected(acme)
        index.write(PLACE, [entity])
        reader = TantivySearchIndex(tmp_path / "search-0", SystemClock())
        assert found_ids(reader, acme) == [entity.entity_id]
        index.close()
        later = TantivySearchIndex(tmp_path / "search-0", SystemClock())
        later.write(PLACE, [projected(acme)])
        assert len(found_ids(later, acme)) == 2
        later.close()
        reader.close()

    def test_files_that_were_taken_away_are_missed_and_not_answered_for(self, index, tmp_path, acme):
        index.write(PLACE, [projected(acme)])
        shutil.rmtree(tmp_path / "search-0" / "alert-000001")
        with pytest.raises(GenerationMissingError):
            found_ids(index, acme)
        index.create(PLACE)
        assert found_ids(index, acme) == []
        index.write(PLACE, [projected(acme)])
        assert len(found_ids(index, acme)) == 1
