"""Does with each store, once and on a probe, what Strata does with it: what `strata doctor` knows of rights."""
