"""What is shipped: manifest, signatures, delta, archive; and the pipeline that joins the stages."""
