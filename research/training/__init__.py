"""Walk-forward training: per window fit, early-stop, calibrate, predict; together the windows' predictions are the tape."""
