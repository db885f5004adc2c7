"""What runs on the far side: a bare interpreter imports it as the package `inside`, and nothing else comes along."""
