"""`make bench`: speed, memory and their growth, as ratios; a file for each part, and one for rows."""
