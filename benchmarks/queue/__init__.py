"""The queue under load: `python -m benchmarks.queue kills` and `python -m benchmarks.queue speed`.

`broker` starts a RabbitMQ of its own, `kills` kills broker, server and deliverers, `speed` compares mails a
second over SMTP with what the broker confirms by itself. The tests use the first two.
"""
