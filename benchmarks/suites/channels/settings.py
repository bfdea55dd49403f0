"""Settings of the suite of Channels."""

SECRET_KEY = 'a key for measurements only'
INSTALLED_APPS = ['channels']
CHANNEL_LAYERS = {'default': {'BACKEND': 'channels.layers.InMemoryChannelLayer'}}
USE_TZ = True
