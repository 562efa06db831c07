"""Tables, comparisons and plots: functions of rows and predictions alone."""
