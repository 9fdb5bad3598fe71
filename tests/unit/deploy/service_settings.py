"""The settings model of every service, by the name of its folder."""

import inspect
import pkgutil
from importlib import import_module

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

import services


def settings_of_services() -> dict[str, type[BaseSettings]]:
    """Found by looking, so that a new service cannot be forgotten."""
    return {
        package.name: _model(f"services.{package.name}.settings")
        for package in pkgutil.iter_modules(services.__path__)
    }


def variables(model: type[BaseSettings]) -> dict[str, FieldInfo]:
    """The model's fields by the environment variable each is read from."""
    prefix = str(model.model_config.get("env_prefix", ""))
    return {
        str(field.validation_alias or f"{prefix}{name}".upper()): field
        for name, field in model.model_fields.items()
    }


def is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr


def _model(module: str) -> type[BaseSettings]:
    (model,) = [
        member
        for _, member in inspect.getmembers(import_module(module), inspect.isclass)
        if issubclass(member, BaseSettings) and member.__module__ == module
    ]
    return model
