"""Land cover: what grows or stands in any place, from ESA WorldCover."""
