"""The table of the orders."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Made by makemigrations, and set in this project's style."""

    initial = True
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.CreateModel(
            name='Order',
            fields=[
                (
                    'id',
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name='ID'
                    ),
                ),
                ('tenant', models.CharField(max_length=255)),
                ('item', models.CharField(max_length=100)),
                (
                    'state',
                    models.CharField(
                        choices=[('new', 'New'), ('ready', 'Ready')], default='new', max_length=10
                    ),
                ),
                (
                    'customer',
                    models.ForeignKey(
                        on_delete=models.deletion.CASCADE,
                        related_name='orders',
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={'ordering': ['pk']},
        )
    ]
