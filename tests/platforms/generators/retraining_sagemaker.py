"""StartPipelineExecution, checked and written by botocore's own model of the service."""

from __future__ import annotations

import json

from botocore.serialize import create_serializer
from botocore.session import Session
from botocore.validate import ParamValidator
from retraining import EVENT_ID, page, recipe, write


def main() -> None:
    service = Session().get_service_model("sagemaker")
    operation = service.operation_model("StartPipelineExecution")
    asked = recipe("sagemaker_pipeline").execution_of(EVENT_ID, page())
    report = ParamValidator().validate(asked, operation.input_shape)
    if report.has_errors():
        raise SystemExit(report.generate_report())
    body = create_serializer(service.metadata["protocol"]).serialize_to_request(asked, operation)["body"]
    write("sagemaker", ["botocore"], json.loads(body))


if __name__ == "__main__":
    main()
