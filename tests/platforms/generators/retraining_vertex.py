"""CreatePipelineJobRequest, as the types of google-cloud-aiplatform take it: fields that they lack are an error."""

from __future__ import annotations

from google.cloud.aiplatform_v1 import types
from google.protobuf.json_format import MessageToDict
from retraining import EVENT_ID, page, recipe, write


def main() -> None:
    request = types.CreatePipelineJobRequest(recipe("vertex_pipeline").request_of(EVENT_ID, page()))
    taken = MessageToDict(types.CreatePipelineJobRequest.pb(request), preserving_proto_field_name=True)
    write("vertex", ["google-cloud-aiplatform"], taken)


if __name__ == "__main__":
    main()
