"""What runs on the far side: imported by a bare interpreter as the package `inside`, so that nothing of ours comes along."""
