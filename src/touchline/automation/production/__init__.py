"""The release in Production and its live rows come in; its drift, its performance and the cause of a loss go out."""
