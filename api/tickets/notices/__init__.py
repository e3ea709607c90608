"""What somebody must look at now: a deadline that runs out, a cluster of complaints, a receiver that is gone."""
