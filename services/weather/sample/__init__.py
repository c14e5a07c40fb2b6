"""An archive of forecasts that is made up: the files of every model, with every trap of the real ones, made as they are read."""
