"""Where speech comes from: microphone, files, text to speech; and what speech is made of: phones."""
