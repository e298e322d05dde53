"""Cold storage on a local directory, S3 and what speaks its API, Google Cloud Storage or Azure, through obstore."""
