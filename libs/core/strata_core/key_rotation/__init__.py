"""New keys for what is sealed: data keys wrapped anew, and sealed columns sealed anew, while work goes on."""
