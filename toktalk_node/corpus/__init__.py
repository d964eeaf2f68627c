"""Speech with exact phone times: text, engines, the build, augmentation and the reader."""
