"""OTP on Pykka and gevent: actors that run in turns on one hub."""
