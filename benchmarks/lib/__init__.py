"""What all questions share: peers, processes, turns, statistics, the page and the chart."""
