from pathlib import Path
from typing import ClassVar

from tortoise import migrations
from tortoise.migrations.operations import RunSQL


class Migration(migrations.Migration):
    dependencies: ClassVar = [("models", "0002_oauth")]
    operations: ClassVar = [RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))]
